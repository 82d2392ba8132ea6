-- error: string.format with an endless width.
function init() return {} end
function update(pkt, state)
  return string.format("%999999999d", 1)
end
function export(state) return { n = 1 } end
