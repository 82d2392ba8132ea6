-- Packets and bytes of every flow, in a plain table by `pkt.flow`.
filter = "tcp or udp"

function init()
  return {}
end

function update(pkt, state)
  local row = state[pkt.flow]
  if not row then
    row = { packets = 0, bytes = 0 }
    state[pkt.flow] = row
  end
  row.packets += pkt.packets
  row.bytes += pkt.bytes
end

function export(state)
  local rows = {}
  for flow, row in state do
    table.insert(rows, { flow = flow, packets = row.packets, bytes = row.bytes })
  end
  return rows
end
