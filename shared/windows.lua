-- Counts hits in windows of time, many at once. A group wants a number of hits from each of its limits, and gets as many
-- as the tightest of them has room for.
-- KEYS: one window for each limit of each group.
-- ARGV: for each group the hits wanted and the number of its limits, then for each limit quota, seconds, exact (1 or 0).
-- Answers for each group the hits admitted, then for each limit what is left and the milliseconds until more comes back.
-- An exact window is a list of the times of its hits, the newest first. A large one is `start:current:previous`: the hits
-- since its start, and those of the window before, which weigh less the further the present one has gone.

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function look_exact(key, span)
    local oldest = redis.call('LINDEX', key, -1)
    while oldest and oldest + span <= now do
        redis.call('RPOP', key)
        oldest = redis.call('LINDEX', key, -1)
    end
    if oldest then
        return { used = redis.call('LLEN', key), reset = oldest + span - now }
    end
    return { used = 0, reset = span }
end

local function look_large(key, span)
    local start, current, previous = string.match(redis.call('GET', key) or '', '(%d+):(%d+):(%d+)')
    start, current, previous = tonumber(start or now), tonumber(current or 0), tonumber(previous or 0)
    if now >= start + 2 * span or now < start then
        start, current, previous = now, 0, 0
    elseif now >= start + span then
        start, current, previous = start + span, 0, current
    end
    local rest = start + span - now
    local reset = previous > 0 and math.min(rest, span / previous) or rest
    return {
        used = current + math.ceil(previous * rest / span), reset = reset,
        start = start, current = current, previous = previous,
    }
end

local function take(window, hits)
    if window.start then
        local state = string.format('%d:%d:%d', window.start, window.current + hits, window.previous)
        redis.call('SET', window.key, state, 'PX', 2 * window.span)
        return
    end
    local times = {}
    for number = 1, hits do
        times[number] = now
    end
    redis.call('LPUSH', window.key, unpack(times))
    redis.call('PEXPIRE', window.key, window.span)
end

local answer, place, read = {}, 0, 1
while ARGV[read] do
    local admitted, limits = tonumber(ARGV[read]), tonumber(ARGV[read + 1])
    local windows = {}
    read = read + 2
    for number = 1, limits do
        local key, span = KEYS[place + number], ARGV[read + 1] * 1000
        local window = ARGV[read + 2] == '1' and look_exact(key, span) or look_large(key, span)
        window.key, window.span, window.room = key, span, math.max(0, ARGV[read] - window.used)
        admitted = math.min(admitted, window.room)
        windows[number], read = window, read + 3
    end
    answer[#answer + 1] = admitted
    for number = 1, limits do
        local window = windows[number]
        if admitted > 0 then
            take(window, admitted)
        end
        answer[#answer + 1] = window.room - admitted
        answer[#answer + 1] = math.ceil(window.reset)
    end
    place = place + limits
end
return answer
