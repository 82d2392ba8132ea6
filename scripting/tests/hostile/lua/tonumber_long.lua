-- cpu|memory: numbers of a million digits.
function init() return {} end
function update(pkt, state)
  while true do tonumber(("1"):rep(2 ^ 20)) end
end
function export(state) return { n = 1 } end
