-- Traffic of our own network.
function init() return { n = 0 } end

function update(pkt, state)
  if net.contains("10.0.0.0/8") then state.n += pkt.packets end
end

function export(state) return { n = state.n, at = time.floor(12.5, "soon") } end
