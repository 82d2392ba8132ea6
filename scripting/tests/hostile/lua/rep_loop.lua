-- cpu|memory: string.rep of 16 MiB for ever.
function init() return {} end
function update(pkt, state)
  while true do local s = ("x"):rep(2 ^ 24) end
end
function export(state) return { n = 1 } end
