-- cpu|memory: sorting for ever.
function init() return {} end
function update(pkt, state)
  local t = table.create(2 ^ 16, 1)
  while true do table.sort(t) end
end
function export(state) return { n = 1 } end
