-- Packets and bytes of every flow, by what `pkt.flow` is.
schema = { flow = "text", src = "addr", proto = "uint", dport = "uint", packets = "uint", bytes = "uint", http = "uint" }

function init()
  return { packets = {}, bytes = {}, http = 0 }
end

function update(pkt, state)
  if pkt.flow then
    state.packets[pkt.flow] = (state.packets[pkt.flow] or 0) + pkt.packets
    state.bytes[pkt.flow] = (state.bytes[pkt.flow] or 0) + pkt.bytes
    if pkt.flow.dport == 80 then state.http = state.http + 1 end
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
      http = state.http,
    })
  end
  return rows
end
