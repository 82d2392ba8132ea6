-- cpu|memory: string.pack and unpack for ever.
function init() return {} end
function update(pkt, state)
  while true do string.unpack("<s4", string.pack("<s4", ("x"):rep(2 ^ 16))) end
end
function export(state) return { n = 1 } end
