-- error: a long chain of __index.
function init() return {} end
function update(pkt, state)
  local t = {}
  for i = 1, 1e4 do t = setmetatable({}, { __index = t }) end
  return t.x
end
function export(state) return { n = 1 } end
