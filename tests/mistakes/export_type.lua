-- Packets.
key = { proto = "ip.proto" }
value = { packets = count() }

function export(table)
  return #table
end
