-- any: lines of many megabytes.
function init() return {} end
function update(pkt, state)
  for i = 1, 10 do log(("\27[2J\n"):rep(2 ^ 20)) end
end
function export(state) return { n = 1 } end
