-- cpu|memory|error: gsub that doubles a text for ever.
function init() return {} end
function update(pkt, state)
  local s = "x"
  while true do s = s:gsub("x", "xx") end
end
function export(state) return { n = 1 } end
