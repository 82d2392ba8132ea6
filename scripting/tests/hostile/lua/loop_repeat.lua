-- cpu: repeat until false.
function init() return {} end
function update(pkt, state)
  repeat until false
end
function export(state) return { n = 1 } end
