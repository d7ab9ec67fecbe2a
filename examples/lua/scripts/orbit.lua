-- A planet around its sun by leapfrog steps: does the energy stay? Floating point, equal to the last bit everywhere.
local x, y, vx, vy, step = 1.0, 0.0, 0.0, 1.1, 0.001
local function pull() local r = math.sqrt(x * x + y * y) return -x / r ^ 3, -y / r ^ 3 end
local function energy() return (vx * vx + vy * vy) / 2 - 1 / math.sqrt(x * x + y * y) end
local first, ax, ay = energy(), pull()
for i = 1, 20000 do
    vx, vy = vx + ax * step / 2, vy + ay * step / 2
    x, y = x + vx * step, y + vy * step
    ax, ay = pull()
    vx, vy = vx + ax * step / 2, vy + ay * step / 2
    if i % 4000 == 0 then print(string.format("%6.1f  %.17g  %.17g", i * step, x, y)) end
end
print(string.format("energy %.17g, then %.17g", first, energy()))
