-- cpu|memory: insertions in front of a long list.
function init() return {} end
function update(pkt, state)
  local t = table.create(2 ^ 18, 1)
  while true do table.insert(t, 1, 1) end
end
function export(state) return { n = 1 } end
