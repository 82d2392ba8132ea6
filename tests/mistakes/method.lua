-- The busiest hosts.
key = { addr = "ip.src" }
value = { bytes = sum("len") }

function export(table)
  return table:tpo("bytes", 10)
end
