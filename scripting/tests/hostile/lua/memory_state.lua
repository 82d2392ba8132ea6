-- memory: state until there is no room.
function init() return {} end
function update(pkt, state)
  state.t = state.t or {}
  for i = 1, 1e9 do state.t[#state.t + 1] = i end
end
function export(state) return { n = 1 } end
