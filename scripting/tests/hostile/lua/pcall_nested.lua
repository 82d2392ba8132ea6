-- cpu: pcall in pcall in pcall.
function init() return {} end
function update(pkt, state)
  local function f() pcall(f) f() end f()
end
function export(state) return { n = 1 } end
