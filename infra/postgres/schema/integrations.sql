-- Generated from the migrations by `./taskw schema:write`; compared in `./taskw check`. Never edit, never run.
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.authorization_request (
    state bytea NOT NULL,
    organization_id uuid NOT NULL,
    integration_id uuid NOT NULL,
    subject text NOT NULL,
    redirect_uri text NOT NULL,
    verifier text NOT NULL,
    expires_at timestamp with time zone NOT NULL
);
CREATE TABLE public.hook (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    integration_id uuid NOT NULL,
    scheme text NOT NULL,
    source text NOT NULL,
    networks text[] NOT NULL,
    key_id text NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.hook_delivery (
    hook_id uuid NOT NULL,
    delivery_id text NOT NULL,
    organization_id uuid NOT NULL,
    event jsonb,
    received_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    forwarded_at timestamp with time zone,
    problem text,
    cause jsonb
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
CREATE TABLE public.integration (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    name text NOT NULL,
    connector text NOT NULL,
    settings jsonb NOT NULL,
    revision integer DEFAULT 1 NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    secret_names text[] DEFAULT '{}'::text[] NOT NULL,
    key_id text,
    sealed bytea,
    refreshing_until timestamp with time zone,
    refused_at timestamp with time zone,
    CONSTRAINT ck_integration_sealed_has_key CHECK (((key_id IS NULL) = (sealed IS NULL)))
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
CREATE TABLE public.webhook (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    url text NOT NULL,
    types text[] NOT NULL,
    active boolean DEFAULT true NOT NULL,
    key_id text NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    failing_since timestamp with time zone,
    disabled text
);
CREATE TABLE public.webhook_delivery (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    attempted_at timestamp with time zone,
    answered integer,
    problem text
);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.authorization_request
    ADD CONSTRAINT pk_authorization_request PRIMARY KEY (state);
ALTER TABLE ONLY public.hook
    ADD CONSTRAINT pk_hook PRIMARY KEY (id);
ALTER TABLE ONLY public.hook_delivery
    ADD CONSTRAINT pk_hook_delivery PRIMARY KEY (hook_id, delivery_id);
ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT pk_idempotency_key PRIMARY KEY (organization_id, route, key);
ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT pk_inbox PRIMARY KEY (id);
ALTER TABLE ONLY public.integration
    ADD CONSTRAINT pk_integration PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY ("position");
ALTER TABLE ONLY public.webhook
    ADD CONSTRAINT pk_webhook PRIMARY KEY (id);
ALTER TABLE ONLY public.webhook_delivery
    ADD CONSTRAINT pk_webhook_delivery PRIMARY KEY (id);
ALTER TABLE ONLY public.integration
    ADD CONSTRAINT uq_integration_organization_id_name UNIQUE (organization_id, name);
CREATE INDEX ix_authorization_request_expires_at ON public.authorization_request USING btree (expires_at);
CREATE INDEX ix_authorization_request_integration_id ON public.authorization_request USING btree (integration_id);
CREATE INDEX ix_hook_delivery_due ON public.hook_delivery USING btree (due_at) WHERE (forwarded_at IS NULL);
CREATE INDEX ix_hook_delivery_received_at ON public.hook_delivery USING btree (received_at);
CREATE INDEX ix_hook_integration_id ON public.hook USING btree (integration_id);
CREATE INDEX ix_hook_key_id ON public.hook USING btree (key_id, id);
CREATE INDEX ix_idempotency_key_created_at ON public.idempotency_key USING btree (created_at);
CREATE INDEX ix_inbox_received_at ON public.inbox USING btree (received_at);
CREATE INDEX ix_integration_key_id ON public.integration USING btree (key_id, id);
CREATE INDEX ix_outbox_undelivered ON public.outbox USING btree (recipient, key, "position") WHERE (delivered_at IS NULL);
CREATE INDEX ix_webhook_delivery_due ON public.webhook_delivery USING btree (due_at) WHERE (status = 'pending'::text);
CREATE INDEX ix_webhook_delivery_webhook_id ON public.webhook_delivery USING btree (webhook_id, id);
CREATE INDEX ix_webhook_key_id ON public.webhook USING btree (key_id, id);
CREATE INDEX ix_webhook_organization_id ON public.webhook USING btree (organization_id);
ALTER TABLE ONLY public.authorization_request
    ADD CONSTRAINT fk_authorization_request_integration_id FOREIGN KEY (integration_id) REFERENCES public.integration(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.hook_delivery
    ADD CONSTRAINT fk_hook_delivery_hook_id FOREIGN KEY (hook_id) REFERENCES public.hook(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.hook
    ADD CONSTRAINT fk_hook_integration_id FOREIGN KEY (integration_id) REFERENCES public.integration(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.webhook_delivery
    ADD CONSTRAINT fk_webhook_delivery_webhook_id FOREIGN KEY (webhook_id) REFERENCES public.webhook(id) ON DELETE CASCADE;
ALTER TABLE public.authorization_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.hook ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.hook_delivery ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.idempotency_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.integration ENABLE ROW LEVEL SECURITY;
CREATE POLICY system ON public.authorization_request TO integrations_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.hook TO integrations_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.hook_delivery TO integrations_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.idempotency_key TO integrations_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.integration TO integrations_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.webhook TO integrations_system USING (true) WITH CHECK (true);
CREATE POLICY system ON public.webhook_delivery TO integrations_system USING (true) WITH CHECK (true);
CREATE POLICY tenant ON public.authorization_request TO integrations_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.hook TO integrations_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.hook_delivery TO integrations_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.idempotency_key TO integrations_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.integration TO integrations_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.webhook TO integrations_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
CREATE POLICY tenant ON public.webhook_delivery TO integrations_api USING ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)) WITH CHECK ((organization_id = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid));
ALTER TABLE public.webhook ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.webhook_delivery ENABLE ROW LEVEL SECURITY;
GRANT USAGE ON SCHEMA public TO integrations_api;
GRANT USAGE ON SCHEMA public TO integrations_system;
GRANT SELECT ON TABLE public.alembic_version TO integrations_api;
GRANT SELECT ON TABLE public.alembic_version TO integrations_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.authorization_request TO integrations_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.authorization_request TO integrations_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.hook TO integrations_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.hook TO integrations_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.hook_delivery TO integrations_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.hook_delivery TO integrations_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_key TO integrations_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_key TO integrations_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.inbox TO integrations_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.integration TO integrations_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.integration TO integrations_system;
GRANT INSERT ON TABLE public.outbox TO integrations_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO integrations_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook TO integrations_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook TO integrations_system;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_delivery TO integrations_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhook_delivery TO integrations_system;
