-- Top destinations by bytes.
filter = "ip"
args   = { n = 20, interval = "5s" }
key    = { addr = "ip.dst" }
value  = { bytes = sum("len"), packets = count() }

function export(table, long, args)
  return table:top("bytes", args.n)
end
