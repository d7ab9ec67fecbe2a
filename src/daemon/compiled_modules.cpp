// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "daemon/compiled_modules.hpp"

#include "aot/image.hpp"
#include "io/log.hpp"

namespace millrace::daemon {

namespace {

/// Modules that wait for the compiler; what comes then asks again later.
constexpr std::size_t waiting_max = 64;
constexpr std::size_t recent_bytes_max = std::size_t{64} << 20;

std::string short_text(const Hash32& hash) {
    return to_hex(hash.view()).substr(0, 16);
}

}  // namespace

/// What the compiling thread hands back.
struct CompiledModules::Made {
    wasi::SharedBytes image;
    std::optional<Failure> failure;
    bool is_elsewhere = false;  ///< another process compiles it
    bool is_found = false;      ///< another process has compiled it
    std::string note;
};

CompiledModules::CompiledModules(io::EventLoop& loop, Options options)
    : policy_{aot::can_run_here() ? options.tier : Tier::interp},
      options_{std::move(options)},
      pool_{loop, {.threads = 1, .waiting_max = waiting_max}} {
    if (options_.tier == Tier::interp) return;
    if (policy_.tier() == Tier::interp) {
        io::log(io::LogLevel::warn, "this processor is too old for compiled modules",
                {{"needs", std::string{aot::target_name}}});
        return;
    }
    auto cache = aot::ImageCache::open(options_.folder);
    if (cache) {
        cache_ = std::make_shared<const aot::ImageCache>(std::move(*cache));
        return;
    }
    io::log_failure("tasks are interpreted", cache.error());
    policy_ = TierPolicy{Tier::interp};
}

CompiledModules::~CompiledModules() {
    stop_.request_stop();
}

wasi::SharedBytes CompiledModules::look(const Hash32& hash) {
    if (recent_ && recent_hash_ == hash) return recent_;
    const auto found = cache_->find(hash);
    if (!found.discarded.empty()) io::log(io::LogLevel::warn, found.discarded);
    if (found.image && found.image->size() <= recent_bytes_max) {
        recent_hash_ = hash;
        recent_ = found.image;
    }
    return found.image;
}

wasi::SharedBytes CompiledModules::find_ready(const Hash32& hash) {
    if (policy_.tier() == Tier::interp || policy_.state(hash) == State::refused) return nullptr;
    auto image = look(hash);
    if (!image) return nullptr;
    policy_.set(hash, State::ready);
    ++counts_.tasks;
    return image;
}

void CompiledModules::find(const Hash32& hash, const wasi::SharedBytes& module,
                           const ImageReady& ready) {
    const State state = policy_.state(hash);
    if (policy_.tier() == Tier::interp || state == State::refused) return ready(nullptr);
    if (auto image = find_ready(hash)) return ready(std::move(image));
    if (state == State::ready) policy_.set(hash, State::cold);  // evicted since
    if (policy_.tier() != Tier::aot) return ready(nullptr);
    if (!compile(hash, module, ready)) ready(nullptr);
}

void CompiledModules::interpreted(const Hash32& hash, const wasi::SharedBytes& module, Fuel more) {
    if (!policy_.interpreted(hash, module->size(), more)) return;
    if (!compile(hash, module, {})) policy_.postpone(hash);
}

void CompiledModules::distrust(const Hash32& hash, const std::string& why) {
    policy_.set(hash, State::refused);
    if (recent_hash_ == hash) recent_.reset();
    io::log(io::LogLevel::warn, "a module's machine code failed; from now on it is interpreted",
            {{"module", short_text(hash)}, {"why", why}});
}

bool CompiledModules::compile(const Hash32& hash, const wasi::SharedBytes& module,
                              ImageReady ready) {
    policy_.set(hash, State::compiling);
    auto made_here = std::make_shared<Made>();
    const bool waits = ready != nullptr;
    const aot::CompileJob job{.program = options_.compiler,
                              .threads = 0,
                              .seconds_max = options_.seconds_max,
                              .in_background = true,
                              .stop = stop_.get_token()};
    // Of the members, work touches none: it has its own share of the cache.
    const auto work = [cache = cache_, hash, module, job, waits, made_here] {
        Made& result = *made_here;
        const auto claim = cache->claim(hash, false);
        auto found = cache->find(hash);  // perhaps whoever had the claim before made it
        result.note = found.discarded;
        if (found.image) {
            result.image = std::move(found.image);
            result.is_found = true;
            return;
        }
        if (!claim && !waits) {
            result.is_elsewhere = true;
            return;
        }
        auto image = aot::compile_elsewhere(*module, job);
        if (!image) {
            result.failure = image.error();
            return;
        }
        if (const auto good = aot::check_image(*image, hash); !good) {
            result.failure = good.error();
            return;
        }
        if (const auto kept = cache->keep(hash, *image); !kept) result.note = kept.error().text();
        result.image = std::make_shared<const Bytes>(std::move(*image));
    };
    const auto done = [this, hash, made_here, ready = std::move(ready)] {
        const wasi::SharedBytes image = made_here->image;
        made(hash, std::move(*made_here));
        if (!ready) return;
        if (image) ++counts_.tasks;
        ready(image);
    };
    return pool_.submit(work, done);
}

void CompiledModules::made(const Hash32& hash, Made result) {
    if (!result.note.empty()) io::log(io::LogLevel::warn, result.note);
    if (policy_.state(hash) == State::refused) return;  // distrusted meanwhile
    if (result.is_elsewhere) return policy_.postpone(hash);
    if (result.failure) {
        policy_.set(hash, State::refused);
        ++counts_.failed;
        io::log(io::LogLevel::warn, "a module is not compiled; its tasks are interpreted",
                {{"module", short_text(hash)}, {"why", result.failure->text()}});
        return;
    }
    policy_.set(hash, State::ready);
    if (result.image->size() <= recent_bytes_max) {
        recent_hash_ = hash;
        recent_ = result.image;
    }
    if (!result.is_found) {
        ++counts_.compiled;
        io::log(io::LogLevel::info, "a module is compiled; its tasks run as machine code",
                {{"module", short_text(hash)}, {"bytes", std::to_string(result.image->size())}});
    }
    if (on_ready_) on_ready_(hash);
}

}  // namespace millrace::daemon
