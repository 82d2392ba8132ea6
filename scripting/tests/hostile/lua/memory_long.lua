-- memory|cpu: what is kept across intervals, until there is no room.
function init() return {} end
function update(pkt, state)
  for i = 1, 1e9 do state[#state + 1] = ("x"):rep(1000) .. i end
end
function export(state) return { n = 1 } end
