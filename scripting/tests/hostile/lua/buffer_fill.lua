-- cpu|memory: fills of a large buffer for ever.
function init() return {} end
function update(pkt, state)
  local b = buffer.create(2 ^ 22)
  while true do buffer.fill(b, 0, 1) end
end
function export(state) return { n = 1 } end
