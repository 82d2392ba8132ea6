-- error: an address of zero bytes and more.
function init() return {} end
function update(pkt, state)
  return addr(("\0"):rep(1000) .. "1.1.1.1")
end
function export(state) return { n = 1 } end
