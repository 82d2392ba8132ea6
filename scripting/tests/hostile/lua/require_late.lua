-- error: a library whose name is made at work.
function init() return {} end
function update(pkt, state)
  return require("win" .. "dow")
end
function export(state) return { n = 1 } end
