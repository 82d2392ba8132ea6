-- Conversations with a port, until they rest or grow big.
filter = "tcp or udp"
key    = { src = "ip.src", dst = "ip.dst", port = "dport or 0" }
value  = { packets = count(), bytes = sum("len"), last = last("ts") }
long   = { timeout = "2s" }

function export(table, long)
  long:fold(table)
end

function action(row, now)
  if row.bytes > 1500 then return "store" end
  if row.port == 53 and now - row.last > 0.5 then return "discard" end
end
