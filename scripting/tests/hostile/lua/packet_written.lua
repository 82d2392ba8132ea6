-- any: a packet that is written to.
function init() return {} end
function update(pkt, state)
  rawset(pkt, "len", "x")
  pkt.len = {}
  setmetatable(pkt, {})
  return pkt.len
end
function export(state) return { n = 1 } end
