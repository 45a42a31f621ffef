-- Generated from the migrations by `./taskw schema:write`; compared in `./taskw check`. Never edit, never run.
CREATE FUNCTION public.begin_epoch() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO log_epoch (epoch, system_identifier, begun_at)
    SELECT last.epoch + 1, cluster.system_identifier, now()
    FROM pg_control_system() AS cluster,
         (SELECT epoch, system_identifier FROM log_epoch ORDER BY epoch DESC LIMIT 1) AS last
    WHERE last.system_identifier <> cluster.system_identifier
    ON CONFLICT DO NOTHING;
    RETURN (SELECT max(epoch) FROM log_epoch);
END $$;
CREATE FUNCTION public.drop_event_partition(name text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET lock_timeout TO '2s'
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'public.event'::regclass
                   AND inhrelid = to_regclass('public.' || quote_ident(name))) THEN
        RAISE EXCEPTION '% is no partition of event', name USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('DROP TABLE %I', name);
END $$;
CREATE FUNCTION public.ensure_event_partition(moment timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET lock_timeout TO '2s'
    AS $$
DECLARE
    first timestamptz := date_trunc('month', moment, 'UTC');
    name text := 'event_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF to_regclass('public.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF first NOT BETWEEN now() - interval '3 months' AND now() + interval '4 months' THEN
        RAISE EXCEPTION 'no partition is made for %', first USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('event partitions'));
    IF to_regclass('public.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF event FOR VALUES FROM (%L) TO (%L)', name,
                   uuid_bound(first), uuid_bound(first + interval '1 month'));
    RETURN true;
END $$;
CREATE FUNCTION public.uuid_bound(moment timestamp with time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    AS $$ SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.capture_filter (
    organization_id uuid NOT NULL,
    rules jsonb NOT NULL,
    changed_at timestamp with time zone NOT NULL
);
CREATE TABLE public.cursor (
    consumer text NOT NULL,
    epoch integer NOT NULL,
    xid bigint NOT NULL,
    sequence bigint NOT NULL,
    token bigint DEFAULT 0 NOT NULL,
    leased_until timestamp with time zone NOT NULL
);
CREATE TABLE public.decision (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    suggestion_id uuid NOT NULL,
    decision text NOT NULL,
    kind text NOT NULL,
    certainty double precision NOT NULL,
    decided_by text,
    decided_at timestamp with time zone NOT NULL
);
CREATE TABLE public.event (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    epoch integer NOT NULL,
    xid bigint NOT NULL,
    sequence bigint NOT NULL,
    external_id text,
    source text NOT NULL,
    type text NOT NULL,
    actor text,
    subject text,
    "time" timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    data jsonb,
    extensions jsonb
)
PARTITION BY RANGE (id);
CREATE TABLE public.event_key (
    organization_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    event_id uuid NOT NULL,
    epoch integer NOT NULL,
    xid bigint NOT NULL,
    sequence bigint NOT NULL,
    body_hash bigint
);
CREATE SEQUENCE public.event_sequence
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE public.idempotency_key (
    organization_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint,
    body json,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.inbox (
    id uuid NOT NULL,
    received_at timestamp with time zone NOT NULL
);
CREATE TABLE public.job (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    input jsonb NOT NULL,
    progress jsonb NOT NULL,
    accepted bigint DEFAULT 0 NOT NULL,
    duplicates bigint DEFAULT 0 NOT NULL,
    rejected bigint DEFAULT 0 NOT NULL,
    error text,
    attempts integer DEFAULT 0 NOT NULL,
    token bigint DEFAULT 0 NOT NULL,
    due_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone
);
CREATE TABLE public.log_epoch (
    epoch integer NOT NULL,
    system_identifier bigint NOT NULL,
    begun_at timestamp with time zone NOT NULL
);
CREATE TABLE public.mining_chunk (
    organization_id uuid NOT NULL,
    number bigint NOT NULL,
    events integer NOT NULL,
    body bytea NOT NULL
);
CREATE TABLE public.mining_setting (
    organization_id uuid NOT NULL,
    settings jsonb NOT NULL,
    changed_at timestamp with time zone NOT NULL
);
CREATE TABLE public.mining_state (
    organization_id uuid NOT NULL,
    epoch integer NOT NULL,
    xid bigint NOT NULL,
    sequence bigint NOT NULL,
    next_number bigint NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    summary jsonb NOT NULL
);
CREATE TABLE public.outbox (
    "position" bigint NOT NULL,
    id uuid NOT NULL,
    recipient text NOT NULL,
    key text NOT NULL,
    type text NOT NULL,
    version smallint NOT NULL,
    body json NOT NULL,
    trace_id text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone NOT NULL,
    delivered_at timestamp with time zone
);
ALTER TABLE public.outbox ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.pattern (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    key bytea NOT NULL,
    kind text NOT NULL,
    steps jsonb NOT NULL,
    figures jsonb NOT NULL,
    score double precision NOT NULL,
    evidence jsonb NOT NULL,
    found_at timestamp with time zone NOT NULL,
    retired_at timestamp with time zone
);
CREATE TABLE public.rejection (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    job_id uuid,
    index bigint NOT NULL,
    type text NOT NULL,
    detail text NOT NULL,
    received_at timestamp with time zone NOT NULL
);
CREATE TABLE public.retention (
    organization_id uuid NOT NULL,
    days integer NOT NULL,
    changed_at timestamp with time zone NOT NULL
);
CREATE TABLE public.stat (
    organization_id uuid NOT NULL,
    day date NOT NULL,
    dimension text NOT NULL,
    value text NOT NULL,
    count bigint NOT NULL
);
CREATE TABLE public.subscription (
    trigger_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    source text,
    type text,
    subject text,
    active boolean NOT NULL,
    revision bigint NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    catch_up_from timestamp with time zone
);
CREATE TABLE public.suggestion (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    pattern_id uuid NOT NULL,
    title text NOT NULL,
    reasoning text NOT NULL,
    confidence double precision NOT NULL,
    minutes_per_week double precision NOT NULL,
    score double precision NOT NULL,
    workflow jsonb NOT NULL,
    evidence jsonb NOT NULL,
    backtest jsonb NOT NULL,
    status text NOT NULL,
    workflow_id uuid,
    created_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    retired_at timestamp with time zone,
    epoch integer NOT NULL,
    xid bigint NOT NULL,
    sequence bigint NOT NULL,
    dry_run_id uuid,
    person text,
    details jsonb DEFAULT '{}'::jsonb NOT NULL
);
CREATE TABLE public.upload_chunk (
    job_id uuid NOT NULL,
    number integer NOT NULL,
    organization_id uuid NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.capture_filter
    ADD CONSTRAINT pk_capture_filter PRIMARY KEY (organization_id);
ALTER TABLE ONLY public.cursor
    ADD CONSTRAINT pk_cursor PRIMARY KEY (consumer);
ALTER TABLE ONLY public.decision
    ADD CONSTRAINT pk_decision PRIMARY KEY (id);
ALTER TABLE ONLY public.event
    ADD CONSTRAINT pk_event PRIMARY KEY (id);
ALTER TABLE ONLY public.event_key
    ADD CONSTRAINT pk_event_key PRIMARY KEY (organization_id, source, external_id);
ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT pk_idempotency_key PRIMARY KEY (organization_id, route, key);
ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT pk_inbox PRIMARY KEY (id);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT pk_job PRIMARY KEY (id);
ALTER TABLE ONLY public.log_epoch
    ADD CONSTRAINT pk_log_epoch PRIMARY KEY (epoch);
ALTER TABLE ONLY public.mining_chunk
    ADD CONSTRAINT pk_mining_chunk PRIMARY KEY (organization_id, number);
ALTER TABLE ONLY public.mining_setting
    ADD CONSTRAINT pk_mining_setting PRIMARY KEY (organization_id);
ALTER TABLE ONLY public.mining_state
    ADD CONSTRAINT pk_mining_state PRIMARY KEY (organization_id);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY ("position");
ALTER TABLE ONLY public.pattern
    ADD CONSTRAINT pk_pattern PRIMARY KEY (id);
ALTER TABLE ONLY public.rejection
    ADD CONSTRAINT pk_rejection PRIMARY KEY (id);
ALTER TABLE ONLY public.retention
    ADD CONSTRAINT pk_retention PRIMARY KEY (organization_id);
ALTER TABLE ONLY public.stat
    ADD CONSTRAINT pk_stat PRIMARY KEY (organization_id, day, dimension, value);
ALTER TABLE ONLY public.subscription
    ADD CONSTRAINT pk_subscription PRIMARY KEY (trigger_id);
ALTER TABLE ONLY public.suggestion
    ADD CONSTRAINT pk_suggestion PRIMARY KEY (id);
ALTER TABLE ONLY public.upload_chunk
    ADD CONSTRAINT pk_upload_chunk PRIMARY KEY (job_id, number);
ALTER TABLE ONLY public.pattern
    ADD CONSTRAINT uq_pattern_organization_id_key UNIQUE (organization_id, key);
ALTER TABLE ONLY public.suggestion
    ADD CONSTRAINT uq_suggestion_organization_id_pattern_id UNIQUE (organization_id, pattern_id);
CREATE INDEX ix_decision_organization_id_suggestion_id ON public.decision USING btree (organization_id, suggestion_id, id);
CREATE INDEX ix_event_organization_id_time_id ON ONLY public.event USING btree (organization_id, "time", id);
CREATE INDEX ix_event_position ON ONLY public.event USING btree (epoch, xid, sequence);
CREATE INDEX ix_idempotency_key_created_at ON public.idempotency_key USING btree (created_at);
CREATE INDEX ix_inbox_received_at ON public.inbox USING btree (received_at);
CREATE INDEX ix_job_due_at ON public.job USING btree (due_at) WHERE (finished_at IS NULL);
CREATE INDEX ix_job_organization_id_created_at ON public.job USING btree (organization_id, created_at);
CREATE INDEX ix_outbox_undelivered ON public.outbox USING btree (recipient, key, "position") WHERE (delivered_at IS NULL);
CREATE INDEX ix_pattern_organization_id_score_id ON public.pattern USING btree (organization_id, score, id);
CREATE INDEX ix_rejection_organization_id_id ON public.rejection USING btree (organization_id, id);
CREATE INDEX ix_rejection_received_at ON public.rejection USING btree (received_at);
CREATE INDEX ix_subscription_catch_up_from ON public.subscription USING btree (catch_up_from) WHERE (catch_up_from IS NOT NULL);
CREATE INDEX ix_subscription_organization_id ON public.subscription USING btree (organization_id);
CREATE INDEX ix_suggestion_organization_id_score_id ON public.suggestion USING btree (organization_id, score, id);
CREATE INDEX ix_suggestion_position ON public.suggestion USING btree (organization_id, epoch, xid, sequence);
CREATE INDEX ix_suggestion_workflow_id ON public.suggestion USING btree (workflow_id) WHERE (workflow_id IS NOT NULL);
ALTER TABLE public.capture_filter ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.decision ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.event ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.event_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.job ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.mining_chunk ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.mining_setting ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.mining_state ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.pattern ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.rejection ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.retention ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.stat ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.subscription ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.suggestion ENABLE ROW LEVEL SECURITY;
CREATE POLICY system ON public.capture_filter TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.decision TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.event TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.event_key TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.idempotency_key TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.job TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.mining_chunk TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.mining_setting TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.mining_state TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.pattern TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.rejection TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.retention TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.stat TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.subscription TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.suggestion TO events_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.upload_chunk TO events_system USING (true) WITH CHECK (true);
CREATE POLICY tenant ON public.capture_filter TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.decision TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.event TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.event_key TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.idempotency_key TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.job TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.mining_chunk TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.mining_setting TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.mining_state TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.pattern TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.rejection TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.retention TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.stat TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.subscription TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.suggestion TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.upload_chunk TO events_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
ALTER TABLE public.upload_chunk ENABLE ROW LEVEL SECURITY;
GRANT USAGE ON SCHEMA public TO events_api;
GRANT USAGE ON SCHEMA public TO events_system;
REVOKE ALL ON FUNCTION public.begin_epoch() FROM PUBLIC;
GRANT ALL ON FUNCTION public.begin_epoch() TO events_api;
GRANT ALL ON FUNCTION public.begin_epoch() TO events_system;
REVOKE ALL ON FUNCTION public.drop_event_partition(name text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.drop_event_partition(name text) TO events_system;
REVOKE ALL ON FUNCTION public.ensure_event_partition(moment timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ensure_event_partition(moment timestamp with time zone) TO events_api;
GRANT ALL ON FUNCTION public.ensure_event_partition(moment timestamp with time zone) TO events_system;
GRANT SELECT ON TABLE public.alembic_version TO events_api;
GRANT SELECT ON TABLE public.alembic_version TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.capture_filter TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.capture_filter TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.cursor TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.decision TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.decision TO events_system;
GRANT SELECT,INSERT ON TABLE public.event TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.event TO events_system;
GRANT SELECT,INSERT ON TABLE public.event_key TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.event_key TO events_system;
GRANT USAGE ON SEQUENCE public.event_sequence TO events_api;
GRANT USAGE ON SEQUENCE public.event_sequence TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_key TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_key TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.inbox TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job TO events_system;
GRANT SELECT ON TABLE public.log_epoch TO events_api;
GRANT SELECT ON TABLE public.log_epoch TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.mining_chunk TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.mining_chunk TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.mining_setting TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.mining_setting TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.mining_state TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.mining_state TO events_system;
GRANT SELECT,INSERT ON TABLE public.outbox TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.pattern TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.pattern TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rejection TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rejection TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.retention TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.retention TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.stat TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.stat TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.subscription TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.subscription TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.suggestion TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.suggestion TO events_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.upload_chunk TO events_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.upload_chunk TO events_system;
