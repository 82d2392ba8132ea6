-- error: something that poses as an address.
function init() return {} end
function update(pkt, state)
  local a = setmetatable({}, getmetatable(pkt.ip.src) or {})
  return addr("10.0.0.1") < a
end
function export(state) return { n = 1 } end
