-- The busiest hosts.
args = { limit = 20, interval = "5s" }
key = { addr = "ip.src" }
value = { bytes = sum("len") }

function export(table, long, args)
  return table:top("bytes", args.limt)
end
