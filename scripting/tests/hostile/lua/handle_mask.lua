-- error: a mask of NaN bits.
function init() return {} end
function update(pkt, state)
  return addr("1.1.1.1"):masked(0 / 0)
end
function export(state) return { n = 1 } end
