// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "rpc/exchange.hpp"

#include <exception>

#include "io/log.hpp"

namespace millrace::rpc {

bool Outbox::put(Mail mail) {
    if (mail.kind == Mail::Kind::answer && mail.text.size() > long_answer &&
        memory + mail.text.size() > memory_max_) {
        mail = {.kind = Mail::Kind::cut, .session = mail.session};
    }
    if (owner_.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
        memory += mail.text.size();
        own_mails_.push_back(std::move(mail));
        return true;
    }
    bool first = false;
    {
        const std::lock_guard lock{mutex_};
        if (closed_) return false;
        memory += mail.text.size();
        first = mails_.empty();
        mails_.push_back(std::move(mail));
    }
    if (first) wake_();
    return true;
}

void Outbox::take(std::vector<Mail>& out) {
    out.clear();
    const std::lock_guard lock{mutex_};
    mails_.swap(out);
}

void Outbox::close() {
    const std::lock_guard lock{mutex_};
    closed_ = true;
    mails_.clear();
}

bool Caller::push(std::string message) {
    if (!open_) return false;
    const std::size_t size = message.size() + message_overhead;
    if (queued_.fetch_add(size) + size > push_bytes_max_) {
        queued_ -= size;
        if (open_.exchange(false)) outbox_->put({.kind = Mail::Kind::cut, .session = id_});
        return false;
    }
    return outbox_->put({.kind = Mail::Kind::push, .session = id_, .text = std::move(message)});
}

Ticket::Ticket(std::shared_ptr<Outbox> outbox, std::uint64_t session, std::uint64_t slot,
               std::size_t body_size)
    : outbox_{std::move(outbox)}, session_{session}, slot_{slot}, body_size_{body_size} {
    ++outbox_->requests_waiting;
}

Ticket::~Ticket() {
    answer(500, "text/plain", "the request was dropped\n");
}

void Ticket::answer(std::uint16_t status, std::string type, std::string text) {
    if (answered_.exchange(true)) return;
    outbox_->memory -= body_size_;
    --outbox_->requests_waiting;
    outbox_->put({.kind = Mail::Kind::answer,
                  .status = status,
                  .session = session_,
                  .slot = slot_,
                  .type = std::move(type),
                  .text = std::move(text)});
}

void perform(Handler& handler, Job& job) {
    const auto start = std::chrono::steady_clock::now();
    try {
        switch (job.kind) {
            case Job::Kind::call:
                if (job.caller->closed()) break;
                handler.handle(job.caller, std::move(job.text),
                               [ticket = job.ticket](std::string answer) {
                                   const std::uint16_t status = answer.empty() ? 204 : 200;
                                   ticket->answer(status, {}, std::move(answer));
                               });
                break;
            case Job::Kind::page: {
                if (job.caller->closed()) break;
                Handler::Page page = handler.page(job.text);
                job.ticket->answer(page.status, std::move(page.type), std::move(page.body));
                break;
            }
            case Job::Kind::closed:
                handler.on_closed(job.caller->id());
                return;
        }
    } catch (const std::exception& error) {
        // The ticket answers 500 when the job goes.
        io::log_limited("rpc-handler", io::LogLevel::error, "a request failed",
                        {{"why", error.what()}});
    }
    job.caller->set_cost(std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - start));
    if (job.caller->let_go()) handler.on_closed(job.caller->id());
}

Workers::Workers(Handler& handler, std::size_t count) : handler_{handler} {
    for (std::size_t i = 0; i < count; ++i)
        threads_.emplace_back([this] { work(); });
}

Workers::~Workers() {
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    wakeup_.notify_all();
    for (std::thread& thread : threads_)
        thread.join();
}

void Workers::submit(Job job) {
    bool wake = false;
    {
        const std::lock_guard lock{mutex_};
        jobs_.push_back(std::move(job));
        wake = sleeping_ > 0;
    }
    if (wake) wakeup_.notify_one();
}

void Workers::work() {
    std::unique_lock lock{mutex_};
    for (;;) {
        if (jobs_.empty()) {
            if (stopping_) return;
            ++sleeping_;
            wakeup_.wait(lock);
            --sleeping_;
            continue;
        }
        Job job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        perform(handler_, job);
        job = {};
        lock.lock();
    }
}

}  // namespace millrace::rpc
