-- cpu|memory: a pattern of stars on a long text.
function init() return {} end
function update(pkt, state)
  local s = ("a"):rep(2 ^ 18)
  while true do s:find(("a*"):rep(50) .. "b") end
end
function export(state) return { n = 1 } end
