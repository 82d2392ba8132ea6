-- error: a mask of a trillion bits.
function init() return {} end
function update(pkt, state)
  return addr("1.1.1.1"):masked(1e12)
end
function export(state) return { n = 1 } end
