-- Generated from the migrations by `./taskw schema:write`; compared in `./taskw check`. Never edit, never run.
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
    decided_at timestamp with time zone
);
CREATE TABLE public.approval_decision (
    approval_id uuid NOT NULL,
    decided_by text NOT NULL,
    organization_id uuid NOT NULL,
    decision text NOT NULL,
    comment text,
    decided_at timestamp with time zone NOT NULL
);
CREATE TABLE public.audience (
    organization_id uuid NOT NULL
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
    start_key text,
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
    CONSTRAINT ck_run_status CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'waiting'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text])))
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
    state json
);
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
    state jsonb
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
ALTER TABLE ONLY public.run
    ADD CONSTRAINT pk_run PRIMARY KEY (id);
ALTER TABLE ONLY public.run_step
    ADD CONSTRAINT pk_run_step PRIMARY KEY (run_id, key);
ALTER TABLE ONLY public.trigger
    ADD CONSTRAINT pk_trigger PRIMARY KEY (id);
ALTER TABLE ONLY public.workflow
    ADD CONSTRAINT pk_workflow PRIMARY KEY (id);
ALTER TABLE ONLY public.workflow_version
    ADD CONSTRAINT pk_workflow_version PRIMARY KEY (workflow_id, version);
ALTER TABLE ONLY public.approval
    ADD CONSTRAINT uq_approval_run_id_key UNIQUE (run_id, key);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT uq_run_organization_id_start_key UNIQUE (organization_id, start_key);
ALTER TABLE ONLY public.trigger
    ADD CONSTRAINT uq_trigger_workflow_id UNIQUE (workflow_id);
ALTER TABLE ONLY public.workflow
    ADD CONSTRAINT uq_workflow_organization_id_origin UNIQUE (organization_id, origin);
CREATE INDEX ix_approval_listed ON public.approval USING btree (organization_id, id);
CREATE INDEX ix_firing_fired_at ON public.firing USING btree (fired_at);
CREATE INDEX ix_idempotency_key_created_at ON public.idempotency_key USING btree (created_at);
CREATE INDEX ix_inbox_received_at ON public.inbox USING btree (received_at);
CREATE INDEX ix_outbox_undelivered ON public.outbox USING btree (recipient, key, "position") WHERE (delivered_at IS NULL);
CREATE INDEX ix_run_concurrency ON public.run USING btree (workflow_id, concurrency_key, id) WHERE ((concurrency_key IS NOT NULL) AND (finished_at IS NULL));
CREATE INDEX ix_run_due ON public.run USING btree (due_at) WHERE (due_at IS NOT NULL);
CREATE INDEX ix_run_due_fairly ON public.run USING btree (organization_id, due_at) WHERE (due_at IS NOT NULL);
CREATE INDEX ix_run_held ON public.run USING btree (workflow_id, concurrency_key) WHERE held;
CREATE INDEX ix_run_listed ON public.run USING btree (organization_id, id);
CREATE INDEX ix_run_of_workflow ON public.run USING btree (workflow_id, id);
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
ALTER TABLE public.erasure ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.firing ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.run ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.run_step ENABLE ROW LEVEL SECURITY;
CREATE POLICY system ON public.approval TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.approval_decision TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.audience TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.erasure TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.firing TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.idempotency_key TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.run TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.run_step TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.trigger TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.workflow TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.workflow_version TO workflows_system USING (true) WITH CHECK (true);
CREATE POLICY tenant ON public.approval TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.approval_decision TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.audience TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.erasure TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.firing TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.idempotency_key TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.run TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.run_step TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.trigger TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.workflow TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.workflow_version TO workflows_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
ALTER TABLE public.trigger ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.workflow ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.workflow_version ENABLE ROW LEVEL SECURITY;
GRANT USAGE ON SCHEMA public TO workflows_api;
GRANT USAGE ON SCHEMA public TO workflows_system;
GRANT SELECT ON TABLE public.alembic_version TO workflows_api;
GRANT SELECT ON TABLE public.alembic_version TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.approval TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.approval TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.approval_decision TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.approval_decision TO workflows_system;
GRANT SELECT ON TABLE public.audience TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.audience TO workflows_system;
GRANT SELECT ON TABLE public.erasure TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.erasure TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.firing TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.firing TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_key TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_key TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.inbox TO workflows_system;
GRANT SELECT,INSERT ON TABLE public.outbox TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.run TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.run TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.run_step TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.run_step TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.trigger TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.trigger TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workflow TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workflow TO workflows_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workflow_version TO workflows_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workflow_version TO workflows_system;
