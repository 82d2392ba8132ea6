-- error: an address compared with a number.
function init() return {} end
function update(pkt, state)
  return addr("1.1.1.1") < 7
end
function export(state) return { n = 1 } end
