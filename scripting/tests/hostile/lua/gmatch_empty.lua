-- cpu|memory: gmatch of nothing for ever.
function init() return {} end
function update(pkt, state)
  while true do for _ in ("x"):rep(1000):gmatch("") do end end
end
function export(state) return { n = 1 } end
