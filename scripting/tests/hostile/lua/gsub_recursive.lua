-- error: gsub that calls itself.
function init() return {} end
function update(pkt, state)
  local function f(s) return (s:gsub(".", f)) end f("x")
end
function export(state) return { n = 1 } end
