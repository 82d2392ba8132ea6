-- cpu|memory: a pattern that backtracks.
function init() return {} end
function update(pkt, state)
  local s = ("a"):rep(4000)
  return s:find((".-"):rep(20) .. "b")
end
function export(state) return { n = 1 } end
