-- Segments by destination port.
function init() return { ports = {} } end

function update(pkt, state)
  local port = pkt.tcp.dprot
  if port then
    state.ports[port] = (state.ports[port] or 0) + pkt.pakets
  end
end

function export(state) return { ports = #state.ports } end
