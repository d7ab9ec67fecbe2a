// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.

#include "node/api.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/overload.hpp"
#include "crypto/secp256k1.hpp"
#include "node/api/method.hpp"

namespace millrace::node {

namespace {

/// All methods, once, found by name.
class MethodTable {
  public:
    MethodTable() {
        for (const auto part :
             {chain_methods(), config_methods(), block_methods(), transaction_methods(),
              state_methods(), call_methods(), simulate_methods(), build_methods(), fee_methods(),
              log_methods(), send_methods(), pool_methods(), debug_methods(),
              development_methods()}) {
            for (const Method& method : part) {
                const bool fresh = by_name_.emplace(method.name, methods_.size()).second;
                MILLRACE_ASSERT(fresh);
                methods_.push_back(&method);
            }
        }
    }
    [[nodiscard]] const Method* find(std::string_view name) const {
        const auto found = by_name_.find(name);
        return found == by_name_.end() ? nullptr : methods_[found->second];
    }
    [[nodiscard]] std::size_t index(const Method* method) const {
        return by_name_.at(method->name);
    }
    [[nodiscard]] const std::vector<const Method*>& all() const noexcept { return methods_; }

  private:
    std::vector<const Method*> methods_;
    std::unordered_map<std::string_view, std::size_t> by_name_;
};

const MethodTable& table() {
    static const MethodTable one;
    return one;
}

std::string error_text(std::string_view id, const RpcError& error) {
    JsonWriter out;
    out.begin('{').key("jsonrpc").raw("\"2.0\"").key("id").raw(id);
    out.key("error").begin('{').key("code").raw(std::to_string(error.code));
    out.key("message").text(error.message);
    if (!error.data.empty()) out.key("data").raw(error.data);
    out.end('}').end('}');
    return std::move(out).take();
}

std::string result_text(std::string_view id, std::string_view result) {
    std::string out;
    out.reserve(id.size() + result.size() + 40);
    out += R"({"jsonrpc":"2.0","id":)";
    out += id;
    out += R"(,"result":)";
    out += result;
    out += '}';
    return out;
}

using AfterReply = std::vector<std::function<void()>>;

/// The answers of one batch, in the order of its requests. Parts may come from several threads; the
/// last one gives the whole. Leaf structure: the mutex is held across no call out.
class Batch {
  public:
    Batch(std::size_t count, std::size_t size_max, Api::Reply reply)
        : answers_(count), size_max_{size_max}, left_{count}, reply_{std::move(reply)} {}

    /// True: what is answered from now on is refused, so need not be worked out.
    [[nodiscard]] bool is_full() {
        const std::lock_guard lock{mutex_};
        return full_;
    }

    void put(std::size_t index, std::string_view id, std::string answer, AfterReply after) {
        {
            const std::lock_guard lock{mutex_};
            full_ = full_ || size_ + answer.size() > size_max_;
            if (full_ && !answer.empty())
                answer = error_text(id, {RpcError::too_large, "response too large", {}});
            size_ += answer.size();
            answers_[index] = std::move(answer);
            for (auto& call : after)
                after_.push_back(std::move(call));
            if (--left_ > 0) return;
        }
        std::string whole;
        whole.reserve(size_ + answers_.size() + 2);
        for (const auto& each : answers_) {
            if (each.empty()) continue;  // a notification
            whole += whole.empty() ? '[' : ',';
            whole += each;
        }
        if (!whole.empty()) whole += ']';
        reply_(std::move(whole));
        for (const auto& call : after_)
            call();
    }

  private:
    std::mutex mutex_;
    std::vector<std::string> answers_;
    const std::size_t size_max_;
    std::size_t size_ = 0;
    bool full_ = false;
    std::size_t left_;
    AfterReply after_;
    Api::Reply reply_;
};

void count_error(Api::State& state, int code) {
    const auto* begin = std::begin(Api::State::error_codes);
    const auto* found = std::find(begin, std::end(Api::State::error_codes) - 1, code);
    state.errors[static_cast<std::size_t>(found - begin)].fetch_add(1, std::memory_order_relaxed);
}

/// What is wrong with a request before its method is looked at; null when nothing is.
std::optional<RpcError> check_shape(JsonValueView request) {
    using Kind = JsonValueView::Kind;
    if (!request.is(Kind::object))
        return RpcError{RpcError::invalid_request, "invalid request", {}};
    const auto version = request["jsonrpc"].plain_text();
    const auto id = request["id"].kind();
    const bool id_is_legal =
        id == Kind::absent || id == Kind::null || id == Kind::number || id == Kind::string;
    if (!version || *version != "2.0" || !id_is_legal || !request["method"].is(Kind::string)) {
        return RpcError{RpcError::invalid_request, "invalid request", {}};
    }
    const auto params = request["params"].kind();
    if (params != Kind::absent && params != Kind::null && params != Kind::array) {
        return RpcError{RpcError::invalid_params, "non-array args", {}};
    }
    return std::nullopt;
}

const Method* usable_method(const Api::State& state, std::string_view name) {
    const Method* method = table().find(name);
    if (method == nullptr || (method->development && !state.backend.development())) return nullptr;
    return method;
}

/// As it stood in the request; what is no id is answered as null.
std::string_view id_of(JsonValueView request) {
    const auto id = request.is(JsonValueView::Kind::object) ? request["id"] : JsonValueView{};
    const bool usable = id.is(JsonValueView::Kind::number) || id.is(JsonValueView::Kind::string);
    return usable ? id.raw() : std::string_view{"null"};
}

bool is_notification(JsonValueView request) {
    return request.is(JsonValueView::Kind::object) && request["id"].is(JsonValueView::Kind::absent);
}

/// The id, and the answer: empty for a notification.
using Done = std::function<void(std::string_view, std::string, AfterReply)>;

/// Runs one request; `done` is called once.
void run_request(Api::State& state, const Api::Caller& caller, JsonValueView request, Done tell) {
    const std::string_view id = id_of(request);
    const auto done = [&](std::string answer, AfterReply after) {
        tell(id, std::move(answer), std::move(after));
    };
    const auto refuse = [&](const RpcError& error) {
        count_error(state, error.code);
        done(error_text(id, error), {});
    };
    const bool notification = is_notification(request);
    if (const auto wrong = check_shape(request)) return refuse(*wrong);

    const std::string name = request["method"].text().value_or("");
    const Method* method = usable_method(state, name);
    if (method == nullptr) {
        if (notification) return done({}, {});
        return refuse({RpcError::method_not_found,
                       "the method " + cut_text(name, 128) + " does not exist/is not available",
                       {}});
    }
    state.requests[table().index(method)].fetch_add(1, std::memory_order_relaxed);
    const auto params = request["params"];
    if (params.size() > method->arguments_max) {
        if (notification) return done({}, {});
        return refuse({RpcError::invalid_params,
                       "too many arguments, want at most " + std::to_string(method->arguments_max),
                       {}});
    }
    if (params.size() < method->arguments_min) {
        if (notification) return done({}, {});
        return refuse({RpcError::invalid_params,
                       "missing value for required argument " + std::to_string(params.size()),
                       {}});
    }
    AfterReply after;
    const Call call{.api = state,
                    .caller = caller,
                    .params = params,
                    .view = state.backend.view(),
                    .after_reply = after};
    if (method->now != nullptr) {
        const Answer answer = method->now(call);
        if (!answer) count_error(state, answer.error().code);
        if (notification) return done({}, std::move(after));
        return done(answer ? result_text(id, *answer) : error_text(id, answer.error()),
                    std::move(after));
    }
    method->later(
        call, [&state, notification, id = std::string{id}, tell = std::move(tell)](Answer answer) {
            if (!answer) count_error(state, answer.error().code);
            if (notification) return tell(id, {}, {});
            tell(id, answer ? result_text(id, *answer) : error_text(id, answer.error()), {});
        });
}

void run_batch(Api::State& state, const Api::Caller& caller, JsonValueView requests,
               Api::Reply reply) {
    const std::size_t count = requests.size();
    if (count == 0) {
        count_error(state, RpcError::invalid_request);
        return reply(error_text("null", {RpcError::invalid_request, "empty batch", {}}));
    }
    if (count > state.limits.batch_max) {
        count_error(state, RpcError::invalid_request);
        return reply(error_text("null", {RpcError::invalid_request,
                                         "batch too large, want at most " +
                                             std::to_string(state.limits.batch_max) + " requests",
                                         {}}));
    }
    const auto batch =
        std::make_shared<Batch>(count, state.limits.batch_answer_max, std::move(reply));
    std::size_t index = 0;
    for (const auto request : requests) {
        const std::size_t place = index++;
        if (batch->is_full()) {
            batch->put(place, id_of(request), is_notification(request) ? "" : "refused", {});
            continue;
        }
        if (caller.is_late && caller.is_late()) {
            count_error(state, RpcError::timed_out);
            const std::string_view id = id_of(request);
            batch->put(place, id,
                       is_notification(request) ? std::string{} : error_text(id, timed_out_error()),
                       {});
            continue;
        }
        run_request(state, caller, request,
                    [batch, place](std::string_view id, std::string answer, AfterReply after) {
                        batch->put(place, id, std::move(answer), std::move(after));
                    });
    }
}

}  // namespace

const Method* find_method(std::string_view name) {
    return table().find(name);
}

std::size_t method_index(const Method* method) {
    return table().index(method);
}

std::size_t method_count() {
    return table().all().size();
}

std::vector<ApiMethod> api_methods() {
    std::vector<ApiMethod> out;
    for (const Method* method : table().all())
        out.push_back({method->name, method->summary, method->development});
    std::ranges::sort(out, {}, &ApiMethod::name);
    return out;
}

Api::State::State(Backend& node, Api::Limits bounds, std::string name, const Hash32& secret)
    : backend{node},
      limits{bounds},
      client{std::move(name)},
      filters{limits, secret},
      requests{std::make_unique<std::atomic<std::uint64_t>[]>(method_count())} {
    for (const auto& key : backend.development_keys()) {
        accounts.emplace_back(crypto::address_of(key), &key);
    }
    listener = backend.listen([this](const NodeEvent& event) { filters.on_event(event); });
}

Api::State::~State() {
    backend.unlisten(listener);
}

Api::State::ArenaLease::ArenaLease(State& state) : state_{state} {
    {
        const std::lock_guard lock{state_.arena_mutex};
        if (!state_.arenas.empty()) {
            arena_ = std::move(state_.arenas.back());
            state_.arenas.pop_back();
        }
    }
    if (arena_ == nullptr) arena_ = evm::make_arena();
}

Api::State::ArenaLease::~ArenaLease() {
    // As many are kept as calls ran at one time: at most the carrier's threads.
    const std::lock_guard lock{state_.arena_mutex};
    state_.arenas.push_back(std::move(arena_));
}

Api::Api(Backend& backend, Limits limits, std::string client, const Hash32& secret)
    : state_{std::make_unique<State>(backend, limits, std::move(client), secret)} {}
Api::~Api() = default;

void Api::handle(const Caller& caller, std::string_view body, Reply reply) {
    JsonDocument document;
    switch (document.parse(body, state_->limits.json_depth_max)) {
        case JsonDocument::Error::none:
            break;
        case JsonDocument::Error::not_json:
            count_error(*state_, RpcError::parse_error);
            return reply(error_text("null", {RpcError::parse_error, "parse error", {}}));
        case JsonDocument::Error::too_deep:
            count_error(*state_, RpcError::parse_error);
            return reply(
                error_text("null", {RpcError::parse_error, "parse error: nested too deeply", {}}));
        case JsonDocument::Error::too_many_values:
            count_error(*state_, RpcError::parse_error);
            return reply(
                error_text("null", {RpcError::parse_error, "parse error: too many values", {}}));
    }
    const JsonValueView root = document.root();
    if (root.is(JsonValueView::Kind::array)) {
        return run_batch(*state_, caller, root, std::move(reply));
    }
    run_request(
        *state_, caller, root,
        [reply = std::move(reply)](std::string_view, std::string answer, const AfterReply& after) {
            reply(std::move(answer));
            for (const auto& call : after)
                call();
        });
}

void Api::session_closed(std::uint64_t session) {
    state_->filters.session_closed(session);
}

std::vector<std::pair<std::string, std::uint64_t>> Api::counters() const {
    std::vector<std::pair<std::string, std::uint64_t>> out;
    for (const Method* method : table().all()) {
        const auto count = state_->requests[table().index(method)].load(std::memory_order_relaxed);
        if (count > 0) out.emplace_back(method->name, count);
    }
    for (std::size_t index = 0; index < std::size(State::error_codes); ++index) {
        const auto count = state_->errors[index].load(std::memory_order_relaxed);
        if (count == 0) continue;
        const int code = State::error_codes[index];
        out.emplace_back("error " + (code == 0 ? std::string{"other"} : std::to_string(code)),
                         count);
    }
    return out;
}

}  // namespace millrace::node
