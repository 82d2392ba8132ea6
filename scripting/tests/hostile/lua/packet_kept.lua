-- any: a packet kept for the next one.
function init() return {} end
function update(pkt, state)
  if state.p then return state.p.len end
  state.p = pkt
end
function export(state) return { n = 1 } end
