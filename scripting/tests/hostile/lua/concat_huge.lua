-- cpu|memory: table.concat of all that fits.
function init() return {} end
function update(pkt, state)
  local t = table.create(2 ^ 16, ("x"):rep(2 ^ 10))
  while true do local s = table.concat(t, ",") end
end
function export(state) return { n = 1 } end
