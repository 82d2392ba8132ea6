-- cpu|memory: reversals of a long string.
function init() return {} end
function update(pkt, state)
  local s = ("a"):rep(2 ^ 20)
  while true do s = s:reverse() end
end
function export(state) return { n = 1 } end
