-- cpu: a loop to infinity.
function init() return {} end
function update(pkt, state)
  local x = 0 for i = 1, math.huge do x += i end
end
function export(state) return { n = 1 } end
