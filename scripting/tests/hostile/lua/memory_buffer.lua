-- memory: a buffer of a gigabyte.
function init() return {} end
function update(pkt, state)
  return buffer.create(2 ^ 30 - 1)
end
function export(state) return { n = 1 } end
