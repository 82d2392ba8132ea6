-- cpu|memory: sorting long texts that begin alike.
function init() return {} end
function update(pkt, state)
  local a = string.rep("a", 2 ^ 20)
  local s, u = a .. "x", a .. "y"
  local l = table.create(60000, s)
  for i = 1, 60000, 2 do l[i] = u end
  table.sort(l)
end
function export(state) return { n = 1 } end
