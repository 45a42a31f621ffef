-- Generated from the migrations by `./taskw schema:write`; compared in `./taskw check`. Never edit, never run.
CREATE FUNCTION public.drop_run_partition(name text, cutoff timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET lock_timeout TO '2s'
    AS $_$
DECLARE
    needed boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM run_partition WHERE run_partition.name = drop_run_partition.name
                   AND run_partition.until <= uuid_bound(cutoff)) THEN
        RAISE EXCEPTION '% is no month of runs that has had its time', name
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE finished_at IS NULL OR finished_at >= $1)', name)
        INTO needed USING cutoff;
    IF needed THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I, %I, %I', 'step_output' || substr(name, 4), 'run_step' || substr(name, 4),
                   name);
    RETURN true;
END $_$;
CREATE FUNCTION public.ensure_run_partitions(moment timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET lock_timeout TO '2s'
    AS $$
DECLARE
    first timestamptz := date_trunc('month', moment, 'UTC');
    suffix text := '_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
    name text;
BEGIN
    IF to_regclass('public.run' || suffix) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF first NOT BETWEEN now() - interval '2 months' AND now() + interval '4 months' THEN
        RAISE EXCEPTION 'no partition is made for %', first USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('run partitions'));
    IF to_regclass('public.run' || suffix) IS NOT NULL THEN
        RETURN false;
    END IF;
    FOREACH name IN ARRAY ARRAY['run', 'run_step', 'step_output'] LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name || suffix, name,
                       uuid_bound(first), uuid_bound(first + interval '1 month'));
    END LOOP;
    RETURN true;
EXCEPTION WHEN invalid_object_definition THEN
    RETURN false;  -- the first partition reaches as far as that
END $$;
CREATE FUNCTION public.uuid_bound(moment timestamp with time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE
    AS $$ SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.approval (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    run_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    key text NOT NULL,
    approvers jsonb NOT NULL,
    required integer NOT NULL,
    status text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    decided_at timestamp with time zone,
    superseded_at timestamp with time zone,
    form jsonb,
    requested_by text
);
CREATE TABLE public.approval_decision (
    approval_id uuid NOT NULL,
    decided_by text NOT NULL,
    organization_id uuid NOT NULL,
    decision text NOT NULL,
    comment text,
    decided_at timestamp with time zone NOT NULL,
    answers jsonb
);
CREATE TABLE public.audience (
    organization_id uuid NOT NULL
);
CREATE TABLE public.awaited (
    trigger_id uuid NOT NULL,
    key text NOT NULL,
    organization_id uuid NOT NULL,
    event jsonb,
    begun_at timestamp with time zone,
    due_at timestamp with time zone,
    settled_at timestamp with time zone,
    changed_at timestamp with time zone NOT NULL
);
CREATE TABLE public.erasure (
    organization_id uuid NOT NULL,
    asked_at timestamp with time zone NOT NULL
);
CREATE TABLE public.firing (
    trigger_id uuid NOT NULL,
    slot text NOT NULL,
    organization_id uuid NOT NULL,
    run_id uuid,
    fired_at timestamp with time zone NOT NULL
);
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
CREATE TABLE public.pacing (
    workflow_id uuid NOT NULL,
    key text NOT NULL,
    organization_id uuid NOT NULL,
    starts timestamp with time zone[] NOT NULL,
    run_id uuid,
    until timestamp with time zone NOT NULL
);
CREATE TABLE public.run (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    version integer NOT NULL,
    status text NOT NULL,
    trigger json NOT NULL,
    event json,
    input json,
    output json,
    error json,
    cause json,
    dry_run boolean NOT NULL,
    depth smallint NOT NULL,
    trace_id text NOT NULL,
    concurrency_key text,
    concurrency_limit integer,
    held boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    due_at timestamp with time zone,
    lease_owner text,
    lease_token bigint DEFAULT '0'::bigint NOT NULL,
    takeovers integer DEFAULT 0 NOT NULL,
    signals integer DEFAULT 0 NOT NULL,
    output_key text,
    not_before timestamp with time zone,
    CONSTRAINT ck_run_awake CHECK (((finished_at IS NOT NULL) OR (due_at IS NOT NULL) OR held)),
    CONSTRAINT ck_run_status CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text])))
)
PARTITION BY RANGE (id);
CREATE VIEW public.run_partition AS
 SELECT (pg_class.relname)::text AS name,
    ("substring"(pg_get_expr(pg_class.relpartbound, pg_class.oid), 'TO \(''([0-9a-f-]+)''\)'::text))::uuid AS until
   FROM (pg_inherits
     JOIN pg_class ON ((pg_class.oid = pg_inherits.inhrelid)))
  WHERE (pg_inherits.inhparent = ('public.run'::regclass)::oid);
CREATE TABLE public.run_start (
    organization_id uuid NOT NULL,
    start_key text NOT NULL COLLATE pg_catalog."C",
    run_id uuid NOT NULL
);
CREATE TABLE public.run_step (
    run_id uuid NOT NULL,
    key text NOT NULL,
    organization_id uuid NOT NULL,
    step_id text NOT NULL,
    type text NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    due_at timestamp with time zone,
    input json,
    output json,
    error json,
    state json,
    aside integer
)
PARTITION BY RANGE (run_id);
CREATE TABLE public.step_output (
    run_id uuid NOT NULL,
    key text NOT NULL,
    organization_id uuid NOT NULL,
    output json NOT NULL
)
PARTITION BY RANGE (run_id);
CREATE TABLE public.trigger (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    workflow_id uuid NOT NULL,
    type text NOT NULL,
    spec jsonb NOT NULL,
    active boolean NOT NULL,
    revision integer NOT NULL,
    anchored_at timestamp with time zone NOT NULL,
    next_at timestamp with time zone,
    state jsonb,
    after_id uuid
);
CREATE TABLE public.workflow (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    active boolean NOT NULL,
    origin text,
    created_by text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone
);
CREATE TABLE public.workflow_version (
    workflow_id uuid NOT NULL,
    version integer NOT NULL,
    organization_id uuid NOT NULL,
    definition jsonb NOT NULL,
    created_by text,
    created_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.approval
    ADD CONSTRAINT pk_approval PRIMARY KEY (id);
ALTER TABLE ONLY public.approval_decision
    ADD CONSTRAINT pk_approval_decision PRIMARY KEY (approval_id, decided_by);
ALTER TABLE ONLY public.audience
    ADD CONSTRAINT pk_audience PRIMARY KEY (organization_id);
ALTER TABLE ONLY public.awaited
    ADD CONSTRAINT pk_awaited PRIMARY KEY (trigger_id, key);
ALTER TABLE ONLY public.erasure
    ADD CONSTRAINT pk_erasure PRIMARY KEY (organization_id);
ALTER TABLE ONLY public.firing
    ADD CONSTRAINT pk_firing PRIMARY KEY (trigger_id, slot);
ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT pk_idempotency_key PRIMARY KEY (organization_id, route, key);
ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT pk_inbox PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY ("position");
ALTER TABLE ONLY public.pacing
    ADD CONSTRAINT pk_pacing PRIMARY KEY (workflow_id, key);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT pk_run PRIMARY KEY (id);
ALTER TABLE ONLY public.run_start
    ADD CONSTRAINT pk_run_start PRIMARY KEY (organization_id, start_key);
ALTER TABLE ONLY public.run_step
    ADD CONSTRAINT pk_run_step PRIMARY KEY (run_id, key);
ALTER TABLE ONLY public.step_output
    ADD CONSTRAINT pk_step_output PRIMARY KEY (run_id, key);
ALTER TABLE ONLY public.trigger
    ADD CONSTRAINT pk_trigger PRIMARY KEY (id);
ALTER TABLE ONLY public.workflow
    ADD CONSTRAINT pk_workflow PRIMARY KEY (id);
ALTER TABLE ONLY public.workflow_version
    ADD CONSTRAINT pk_workflow_version PRIMARY KEY (workflow_id, version);
ALTER TABLE ONLY public.trigger
    ADD CONSTRAINT uq_trigger_after_id UNIQUE (after_id);
ALTER TABLE ONLY public.trigger
    ADD CONSTRAINT uq_trigger_workflow_id UNIQUE (workflow_id);
ALTER TABLE ONLY public.workflow
    ADD CONSTRAINT uq_workflow_organization_id_origin UNIQUE (organization_id, origin);
CREATE INDEX ix_approval_listed ON public.approval USING btree (organization_id, id);
CREATE UNIQUE INDEX ix_approval_of_step ON public.approval USING btree (run_id, key) WHERE (superseded_at IS NULL);
CREATE INDEX ix_approval_open ON public.approval USING btree (expires_at) WHERE (status = 'open'::text);
CREATE INDEX ix_awaited_changed_at ON public.awaited USING btree (changed_at) WHERE (due_at IS NULL);
CREATE INDEX ix_awaited_due ON public.awaited USING btree (trigger_id, due_at) WHERE (due_at IS NOT NULL);
CREATE INDEX ix_firing_fired_at ON public.firing USING btree (fired_at);
CREATE INDEX ix_idempotency_key_created_at ON public.idempotency_key USING btree (created_at);
CREATE INDEX ix_inbox_received_at ON public.inbox USING btree (received_at);
CREATE INDEX ix_outbox_undelivered ON public.outbox USING btree (recipient, key, "position") WHERE (delivered_at IS NULL);
CREATE INDEX ix_pacing_until ON public.pacing USING btree (until);
CREATE INDEX ix_run_concurrency ON ONLY public.run USING btree (workflow_id, concurrency_key, id) WHERE ((concurrency_key IS NOT NULL) AND (finished_at IS NULL));
CREATE INDEX ix_run_due ON ONLY public.run USING btree (due_at) WHERE (due_at IS NOT NULL);
CREATE INDEX ix_run_due_fairly ON ONLY public.run USING btree (organization_id, due_at) WHERE (due_at IS NOT NULL);
CREATE INDEX ix_run_held ON ONLY public.run USING btree (workflow_id, concurrency_key) WHERE held;
CREATE INDEX ix_run_listed ON ONLY public.run USING btree (organization_id, id);
CREATE INDEX ix_run_of_workflow ON ONLY public.run USING btree (workflow_id, id);
CREATE INDEX ix_run_start_run_id ON public.run_start USING btree (run_id);
CREATE INDEX ix_trigger_next ON public.trigger USING btree (next_at) WHERE (next_at IS NOT NULL);
CREATE INDEX ix_workflow_listed ON public.workflow USING btree (organization_id, id);
ALTER TABLE ONLY public.approval_decision
    ADD CONSTRAINT fk_approval_decision_approval_id FOREIGN KEY (approval_id) REFERENCES public.approval(id);
ALTER TABLE ONLY public.trigger
    ADD CONSTRAINT fk_trigger_workflow_id FOREIGN KEY (workflow_id) REFERENCES public.workflow(id);
ALTER TABLE ONLY public.workflow_version
    ADD CONSTRAINT fk_workflow_version_workflow_id FOREIGN KEY (workflow_id) REFERENCES public.workflow(id);
ALTER TABLE public.approval ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.approval_decision ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.audience ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.awaited ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.erasure ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.firing ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.pacing ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.run ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.run_start ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.run_step ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.step_output ENABLE ROW LEVEL SECURITY;
CREATE POLICY system ON public.approval TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.approval_decision TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.audience TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.awaited TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.erasure TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.firing TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.idempotency_key TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.pacing TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.run TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.run_start TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.run_step TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.step_output TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.trigger TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.workflow TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.workflow_version TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY tenant ON public.approval TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.approval_decision TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.audience TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.awaited TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.erasure TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.firing TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.idempotency_key TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.pacing TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.run TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.run_start TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.run_step TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.step_output TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.trigger TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.workflow TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.workflow_version TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
ALTER TABLE public.trigger ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.workflow ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.workflow_version ENABLE ROW LEVEL SECURITY;
GRANT USAGE ON SCHEMA public TO workflows_api;
GRANT USAGE ON SCHEMA public TO workflows_system;
REVOKE ALL ON FUNCTION public.drop_run_partition(name text, cutoff timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.drop_run_partition(name text, cutoff timestamp with time zone) TO workflows_system;
REVOKE ALL ON FUNCTION public.ensure_run_partitions(moment timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ensure_run_partitions(moment timestamp with time zone) TO workflows_system;
GRANT SELECT ON TABLE public.alembic_version TO workflows_api;
GRANT SELECT ON TABLE public.alembic_version TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.approval TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.approval TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.approval_decision TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.approval_decision TO workflows_system;
GRANT SELECT ON TABLE public.audience TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.audience TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.awaited TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.awaited TO workflows_system;
GRANT SELECT ON TABLE public.erasure TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.erasure TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.firing TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.firing TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_key TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_key TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.inbox TO workflows_system;
GRANT SELECT,INSERT ON TABLE public.outbox TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.pacing TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.pacing TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.run TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.run TO workflows_system;
GRANT SELECT ON TABLE public.run_partition TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.run_start TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.run_start TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.run_step TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.run_step TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.step_output TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.step_output TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.trigger TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.trigger TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workflow TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workflow TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workflow_version TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workflow_version TO workflows_system;
