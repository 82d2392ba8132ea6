-- error: the arguments are changed.
args = { n = 1 }
function update() args.n = 2 end
function export() end
