-- Packets and bytes of every flow, by what `pkt.flow` is.
schema = { flow = "text", src = "addr", proto = "uint", dport = "uint", packets = "uint", bytes = "uint" }

function init()
  return { packets = {}, bytes = {} }
end

function update(pkt, state)
  if pkt.flow then
    state.packets[pkt.flow] = (state.packets[pkt.flow] or 0) + pkt.packets
    state.bytes[pkt.flow] = (state.bytes[pkt.flow] or 0) + pkt.bytes
  end
end

function export(state)
  local rows = {}
  for _, entry in top(state.bytes, 100) do
    local flow = entry.key
    table.insert(rows, {
      flow = flow,
      src = flow.src,
      proto = flow.proto,
      dport = flow.dport,
      packets = state.packets[flow],
      bytes = entry.value,
    })
  end
  return rows
end
