-- Packets of one host.
function init() return { n = 0 } end

function update(pkt, state)
  if pkt.ip.src == "10.0.0.1" then state.n += pkt.packets end
end

function export(state) return { n = state.n } end
