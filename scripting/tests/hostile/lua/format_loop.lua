-- cpu|memory: string.format for ever.
function init() return {} end
function update(pkt, state)
  while true do string.format("%99.99f", 1 / 3) end
end
function export(state) return { n = 1 } end
