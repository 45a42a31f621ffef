"""Prometheus metrics of the process; labels are bounded by construction."""

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

REQUESTS = Counter("floyo_requests_total", "Requests answered", ["service", "route", "method", "status"])
REQUEST_SECONDS = Histogram("floyo_request_seconds", "Time to answer a request", ["service", "route"])
JOBS = Counter("floyo_jobs_total", "Jobs taken from the queue", ["service", "job", "outcome"])
LOOP_FAILURES = Counter("floyo_loop_failures_total", "Background loops that failed and were restarted", ["loop"])
MESSAGES = Counter("floyo_messages_total", "Messages delivered to siblings", ["recipient", "outcome"])
SIBLINGS = Counter("floyo_sibling_calls_total", "Calls to siblings", ["sibling", "outcome"])
BREAKERS = Counter("floyo_breaker_transitions_total", "Changes of state of circuit breakers", ["guards", "state"])
DEGRADED = Counter("floyo_degraded_total", "Answers that had to do without a component", ["missing"])
LIMITED = Counter("floyo_limited_total", "Decisions of rate limits", ["limit", "outcome"])
LIMITER_BACKEND = Gauge("floyo_limiter_backend", "1 for what rate limits are counted in at present", ["backend"])
FLAGS = Counter("floyo_flag_evaluations_total", "Decisions of feature flags", ["flag", "enabled"])
FLAG_STATE = Gauge("floyo_flag_state", "1 when a flag is on for somebody, as this process knows it", ["flag"])
LETTERS = Counter("floyo_letters_total", "Letters to people", ["kind", "outcome"])
POOL = Gauge("floyo_database_pool_connections", "Connections by state", ["state"])

CONTENT_TYPE = CONTENT_TYPE_LATEST


def render() -> bytes:
    """The exposition format of every metric of this process."""
    return generate_latest()
