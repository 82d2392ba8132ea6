-- cpu: much work in many small calls.
function init() return {} end
function update(pkt, state)
  for i = 1, 1e9 do tostring(i) end
end
function export(state) return { n = 1 } end
